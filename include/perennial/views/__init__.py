"""What a person asks of a pipeline, answered from the ledger alone: for the page, the command line and the cards.

Pure reading: no Airflow, no MLflow, no HTML; every answer is a contract that becomes JSON.

``trials``    every training run and what became of it
``watch``     what is drifting now
``needs``     what needs a person
``published`` the newest data
``overview``  one pipeline in one look: champion, trials since, drift, newest partition, needs
``decision``  one training run: trigger and evidence, data, gate, what became of it
``curves``    ROC and calibration of candidate and champion, from the recorded predictions
``timeline``  per partition: matured performance, drift, reigns of champions, what happened
"""
